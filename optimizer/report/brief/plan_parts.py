"""The brief as one structure, which all its writers draw, and its parts about one plan: decisions, money, survival."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.format import dated, entry_title, in_percent, is_date, list_names, plural
from optimizer.report.tables.render import page_table
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import CommittedMoney, Outcome, Service, list_commitments
from optimizer.results.result import Result, hardest_of
from optimizer.studies.folds import Folded, fold_outcomes, folds, urgency
from optimizer.studies.purchases import (
    MOST_ORDERS,
    Delay,
    Order,
    Purchase,
    first_year,
    options_of,
    orders_of,
    purchases,
    support_of_existing,
    unserved_money,
    unserved_tonnes,
)
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

# Later orders, and years with new money, that are listed: more do not fit on one page.
MOST_LATER, MOST_YEARS = 6, 10
# What is said of orders a year later.
IF_LATE, LATE_EFFECT, NOT_COMPUTED = "If ordered a year later", "What ordering a year later does", "not computed"
LATE_NOTE = (
    " A year later: nothing is bought in its place; the shock in which that does most damage, at shortage cost. "
)
LATE_NOTE += "The most damage comes first, and delays do not add up."
EXISTING_SUPPORT = "Price support of existing processes"
# The head of the dates of orders, and what they are not.
ORDERED = "Ordered at start of"
MONEY_AND_DATES = "Money: outlay, undiscounted. Dates are those of this plan; a later order may do as well."


@dataclass(frozen=True)
class BriefPart:
    """One part of the brief."""

    name: str  # in code
    title: str  # for readers
    sentences: tuple[str, ...] = ()  # what it says
    frame: Frame | None = None  # its table; None where it has none
    missing_hint: str = ""  # how to get what was not computed; empty where nothing is missing
    missing_note: str = ""  # the same for paper: what was not computed, without a word of how to get it
    drawn: Frame | None = None  # the part of the table that is drawn, where not all of it is
    bars: tuple[str, ...] = ()  # the columns that are drawn as bars, one after the other
    strong: tuple[int, ...] = ()  # the places of rows that stand out: a sum, or this plan

    @property
    def shown(self) -> Frame | None:
        """The table that is drawn."""
        return self.drawn or self.frame


@dataclass(frozen=True)
class Brief:
    """The answer on one page."""

    instance: Instance = field(repr=False)  # what keys are named by
    # Of the instance; the period, and in what money is counted.
    title: str
    about: str
    survives: bool  # whether every floor holds in every shock that counts
    # The answer, in a few words and in a sentence.
    verdict: str
    sentence: str
    parts: tuple[BriefPart, ...]  # in the order in which they are read
    warnings: tuple[str, ...] = ()  # what has to be said first
    notes: tuple[str, ...] = ()  # what belongs beside it: what is short already, and how sure the answer is

    def to_dict(self) -> dict[str, Any]:
        """For JSON and for writers: of each table its texts (`table`), its values by column, and its bars."""
        return {
            "title": self.title,
            "about": self.about,
            "survives": self.survives,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "parts": {part.name: self._part(part) for part in self.parts},
        }

    def _part(self, part: BriefPart) -> Mapping[str, Any]:
        return {
            "title": part.title,
            "sentences": list(part.sentences),
            "missing": part.missing_hint,
            "lacks": part.missing_note,
            "table": None if part.shown is None else page_table(self.instance, part.shown),
            "values": [] if part.frame is None else [dict(row) for row in part.frame.rows()],
            "bars": _bars(part),
            "strong": list(part.strong),
        }


def _bars(part: BriefPart) -> list[list[float]]:
    """The bars of each row, as shares of the longest row; none where the part has none."""
    if part.shown is None or not part.bars:
        return []
    drawn = part.shown.select(part.bars)
    rows = [[float(amount or 0.0) for amount in row.values()] for row in drawn.rows()]
    longest = max(map(sum, rows)) or 1.0
    return [[amount / longest for amount in row] for row in rows]


# What a table of segments begins with.
_SERVICE_COLUMNS = (
    FrameColumn("segment", is_index=True),
    FrameColumn("served", "Served", "share"),
    FrameColumn("floor", "Floor", "share"),
)


def on_line_words(when: str, *, is_stock: bool) -> str:
    """When an order works; of a stockpile, until when it is bought."""
    return f"bought until {when}" if is_stock else when


def orders_part(instance: Instance, result: Result, delays: Sequence[Delay]) -> BriefPart:
    """What is decided in the first year, and what a delay of a year does."""
    year = first_year(instance, result)
    orders, title = orders_of(instance, result, year), f"Decisions of {year}"
    if not orders:
        return BriefPart("orders", title, ("Nothing is bought.",))
    found = {delay.options: delay for delay in delays}
    later = [move for move in purchases(instance, result) if instance.horizon.year(move.t) > year]
    rows = list(_order_rows(instance, result, orders, found))
    due = len(rows)
    rows += [*_later_rows(result, later), *_support_rows(instance, result, year)]
    columns = (
        FrameColumn("order", "Decide", is_index=True),
        FrameColumn("money", f"In {year}", result.money, "millions"),
        FrameColumn("total", "All years", result.money, "millions"),
        FrameColumn("when", ORDERED, form="period"),
        FrameColumn("on_line", "On line"),
        FrameColumn("sampled", "In best plans", "share", "percent"),
        FrameColumn("slip", IF_LATE),
    )
    note = MONEY_AND_DATES
    if result.bands is not None:
        of_what = f"of {plural(result.bands.used, 'sample')} of all numbers in their ranges"
        note += f" In best plans: the share {of_what} in which the best plan has it."
    note += LATE_NOTE if delays else ""
    frame = Frame.of_rows("orders", title, columns, rows, note).without_empty("sampled", "slip")
    strong = (due - 1,) if len(orders) > 1 else ()
    if delays or result.adversary is not None:
        return BriefPart("orders", title, (), frame, strong=strong)
    cure, missing_note = f"{LATE_EFFECT}: leave out --quick.", f"{LATE_EFFECT} is not computed."
    return BriefPart("orders", title, (), frame, cure, strong=strong, missing_note=missing_note)


def _order_rows(
    instance: Instance, result: Result, orders: Sequence[Order], delays: Mapping[tuple[str, ...], Delay]
) -> Iterator[tuple[Any, ...]]:
    """The largest orders, those whose delay does the most damage first; how much the others are, and all together."""
    shown, rest = orders[:MOST_ORDERS], orders[MOST_ORDERS:]
    for order in sorted(shown, key=lambda order: _damage(delays.get((order.option,))), reverse=True):
        late = _late_text(instance, result, delays, (order.option,))
        on_line, share = on_line_words(order.on_line, is_stock=order.is_stock), _share_of_samples(result, order.option)
        yield f"{order.name}, {order.size}", order.money, order.total, order.when, on_line, share, late
    if rest:
        yield f"and {plural(len(rest), 'more decision')}", *order_sums(rest), None, None, None, None
    if len(orders) > 1:
        late = _late_text(instance, result, delays, options_of(orders))
        yield f"Together ({len(orders)})", *order_sums(orders), None, None, None, late


def _late_text(
    instance: Instance, result: Result, delays: Mapping[tuple[str, ...], Delay], options: tuple[str, ...]
) -> str | None:
    """What a delay of some orders does; None where no delay was looked at."""
    delay = delays.get(options)
    return delay_text(instance, result, delay) if delay else NOT_COMPUTED if delays else None


def _damage(delay: Delay | None) -> tuple[float, float]:
    """What ranks a delay: how much the gap grows, then how much more goes unserved, money."""
    return (0.0, 0.0) if delay is None else (delay.gap, delay.shortage_cost)


def _later_rows(result: Result, later: Sequence[Purchase]) -> Iterator[tuple[Any, ...]]:
    """What is decided in later years, the most money first."""
    ordered = sorted(later, key=lambda move: -move.counted)
    shown = len(ordered) if len(ordered) <= MOST_LATER else MOST_LATER - 1
    for move in ordered[:shown]:
        on_line = on_line_words(move.on_line, is_stock=bool(move.purchases))
        share = _share_of_samples(result, move.option)
        yield f"Later: {move.name}, {move.size_words}", None, move.counted, move.decided, on_line, share, None
    rest = ordered[shown:]
    if rest:
        spent = math.fsum(move.counted for move in rest)
        yield f"and {plural(len(rest), 'later decision')}", None, spent, None, None, None, None


def _support_rows(instance: Instance, result: Result, year: int) -> Iterator[tuple[Any, ...]]:
    """The rest of the outlay: what existing processes get in a year and in all years."""
    if paid := support_of_existing(instance, result):
        yield EXISTING_SUPPORT, paid.get(year), math.fsum(paid.values()), None, None, None, None


def _share_of_samples(result: Result, option: str) -> float | None:
    """The share of samples of the uncertain numbers whose best plan buys an option; None where there are no samples."""
    return None if result.bands is None else result.bands.bought.get(option, 0.0)


def order_sums(orders: Sequence[Order]) -> tuple[float, float]:
    """What orders take of the budget in their year, and in all years."""
    return math.fsum(order.money for order in orders), math.fsum(order.total for order in orders)


def delay_text(instance: Instance, result: Result, delay: Delay) -> str:
    """What a delay does: shocks that fail besides, the gap that grows most and in which, or what more goes unserved."""
    if delay.shock is None:
        more = f"; it costs {si(delay.cost, result.money)} more" if delay.cost > 0 else ""
        return f"nothing more goes unserved{more}"
    where = f" in {dated(instance, instance.event(delay.shock))}"
    if delay.gap > NEGLIGIBLE * max(1.0, delay.shortage_cost):
        text = f"{si(delay.below_floor, 't')} more below floors, survival gap +{si(delay.gap, result.money)}{where}"
    else:
        text = f"{si(delay.shortage, 't')} more unserved above floors, {si(delay.shortage_cost, result.money)}{where}"
    if delay.failed:
        text += f"; {plural(len(delay.failed), 'more shock')} {'fails' if len(delay.failed) == 1 else 'fail'}"
    return f"{text}; against {plural(len(delay.broken_rules), 'rule')} of the file" if delay.broken_rules else text


def money_part(instance: Instance, result: Result) -> BriefPart:
    """New money by calendar year, and what others have committed already."""
    commitments, budget = list_commitments(result.data), instance.policy.budget
    columns = [
        FrameColumn("year", form="word", is_index=True),
        FrameColumn("new", "New", result.money, "millions"),
        FrameColumn("committed", "Committed", result.money, "millions"),
    ]
    years = years_with_money([result.outlays], commitments)
    rows: list[tuple[Any, ...]] = [(year, spent[0] or None, committed) for year, spent, committed in years]
    of_budget = "" if budget is None else f", of a budget of {si(budget, result.money)}"
    said = f"New: {si(result.outlay, result.money)} in all, undiscounted{of_budget}."
    return new_money_part(columns, rows, (said, *committed_sentence(commitments, result.money)))


def new_money_part(
    columns: Sequence[FrameColumn], rows: Sequence[tuple[Any, ...]], sentences: tuple[str, ...]
) -> BriefPart:
    """Money by year: columns and rows end in what others have committed, which is left out where nobody has.

    Drawn are the years with new money as bars; those before them are one row, and later ones where they are too many.
    """
    title, at = "Money by year", [each.name for each in columns].index("new")
    if all(row[-1] is None for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    frame = Frame.of_rows("money", title, columns, rows)
    first = next((i for i, row in enumerate(rows) if row[at]), None)
    drawn = [*([_together(rows[:first])] if first else []), *_with_later_years(rows[first:])]
    bars = () if first is None else ("new",)
    return BriefPart("money", title, sentences, frame, bars=bars, drawn=Frame.of_rows("money", title, columns, drawn))


def _with_later_years(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The first years, and all later ones in one row, where there are too many."""
    if len(rows) <= MOST_YEARS:
        return list(rows)
    shown, rest = rows[: MOST_YEARS - 1], rows[MOST_YEARS - 1 :]
    return [*shown, (f"and {plural(len(rest), 'later year')}", *_together(rest)[1:])]


def _together(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Some years in one row, with the sum of each amount that is known."""
    sums = ([amount for amount in column if amount is not None] for column in list(zip(*rows, strict=True))[1:])
    return windowed(rows[0][0], rows[-1][0]), *(math.fsum(known) if known else None for known in sums)


def years_with_money(
    outlays: Sequence[Mapping[str, float]], commitments: Sequence[CommittedMoney]
) -> Iterator[tuple[str, list[float], float | None]]:
    """The calendar years in which money is spent, or committed: each with the outlay of every plan, and the latter.

    What is committed without a year comes last.
    """
    committed: dict[int | None, float] = {}
    for each in commitments:
        committed[each.year] = committed.get(each.year, 0.0) + each.amount
    spent = sorted({int(year) for each in outlays for year in each if each[year] > 0})
    # Between the first and the last year with new money every year is named: one without any as well.
    for year in sorted({*(range(spent[0], spent[-1] + 1) if spent else ()), *filter(None, committed)}):
        yield str(year), [each.get(str(year), 0.0) for each in outlays], committed.get(year)
    if None in committed:
        yield "undated", [0.0 for _ in outlays], committed[None]


def committed_sentence(commitments: Sequence[CommittedMoney], money: str) -> Iterator[str]:
    """How much others have committed already; none without any."""
    if commitments:
        total = math.fsum(each.amount for each in commitments)
        conditional = math.fsum(each.amount for each in commitments if each.conditional)
        of_which = f", of which {si(conditional)} on conditions still to be met" if conditional > 0 else ""
        yield f"Committed already, by any party, in no cost here: {si(total, money)}{of_which}."


# Rows at most: more do not fit on one page.
MOST_SHOCKS, MOST_SEGMENTS, MOST_BELOW = 6, 5, 8
WORST_TITLE = "The worst shock"


def survival_part(instance: Instance, result: Result) -> BriefPart:
    """The entries of the file with shocks, those that fail first: what is below floors, and all that goes unserved."""
    rows = fold_outcomes(folds(instance, [each.name for each in result.shocks]), result)
    ordered = sorted(rows, key=lambda row: (row.survives, urgency(row.worst)))
    outcomes = {each.name: each for each in result.shocks}
    shown, rest = ordered[:MOST_SHOCKS], ordered[MOST_SHOCKS:]
    columns = (
        FrameColumn("shock", is_index=True),
        FrameColumn("verdict", "Floors"),
        FrameColumn("below_floor", "Below floors", "t", "amount"),
        FrameColumn("gap", "Survival gap", result.money, "millions"),
        FrameColumn("shortage", "Unserved in all", "t", "amount"),
        FrameColumn("shortage_cost", "Value", result.money, "millions"),
    )
    frame_rows = [_shock_row(instance, row, [outcomes[name] for name in row.fold.shocks if name in outcomes])
                  for row in shown]  # fmt: skip
    said = [_kept_sentence(result, rows)]
    if rest:
        which = "all survived" if all(row.survives for row in rest) else "some of them not survived"
        said.append(f"{plural(sum(len(row.fold.shocks) for row in rest), 'more shock')} not shown, {which}.")
    note = "Floor: the share of demand that has to be served in a shock. Of several dates the worst. Unserved in all: "
    note += "above floors as well. Survival gap and value: at shortage cost."
    title = "What is survived, and what is not"
    return BriefPart("survival", title, tuple(said), Frame.of_rows("survival", title, columns, frame_rows, note))


def _kept_sentence(result: Result, rows: Sequence[Folded]) -> str:
    """How many shocks are survived, and that each of an entry is counted where it has several."""
    each = " Each date, length or draw of a shock counts as one." if any(row.fold.is_many for row in rows) else ""
    kept = f"{len(result.shocks_survived):,} of {plural(len(result.shocks), 'shock')} survived"
    return f"{kept}{may_fail_words(result)}.{each}"


def may_fail_words(result: Result) -> str:
    """How many of the shocks that are not survived may fail, behind how many are; empty where none may."""
    may = sum(outcome.excused for outcome in result.shocks)
    return f", {may:,} may fail" if may else ""


def _shock_row(instance: Instance, row: Folded, outcomes: Sequence[Outcome]) -> tuple[Any, ...]:
    """A row of the shocks of an entry: the gap of its worst, and the most that goes unserved in one of them."""
    worst = row.worst
    name = dated(instance, instance.event(worst.name))
    if row.fold.is_many:
        held = f"✓ {row.count_text if row.excused else 'all held'}"
        verdict = f"✗ {row.count_text}{_whose(instance, worst)}" if row.failed else held
        title, which = entry_title(instance, instance.event(worst.name))
        kind = "date" if is_date(instance, which) else "shock"
        where = f", worst {windowed(worst.first, worst.last)}" if row.failed and kind == "date" else ""
        name = f"{title}, {plural(len(row.fold.shocks), kind)}{where}" if which else name
    else:
        verdict = "✓ held" if row.survives else f"✗ missed{_whose(instance, worst)}"
    most = max(outcomes, key=lambda each: unserved_money(instance, each))
    below = sum(each.below_floor for each in worst.segments.values())
    return name, verdict, below, worst.gap, unserved_tonnes(most), unserved_money(instance, most)


def _whose(instance: Instance, outcome: Outcome) -> str:
    """The segment with the largest gap of a shock that fails, and how many more there are below their floors."""
    below = [d for d, service in outcome.segments.items() if service.first_failure is not None]
    ordered = sorted(below, key=lambda d: -outcome.segments[d].gap)
    return f": {list_names([display_name(instance, d) for d in ordered], 1)}" if ordered else ""


def worst_event(instance: Instance, result: Result) -> Outcome:
    """The shock with the largest gap; where no floor fails, the one in which most goes unserved, at shortage cost."""
    hardest = hardest_of(result.shocks)[0]
    return hardest if hardest.fails else max(result.shocks, key=lambda each: unserved_money(instance, each))


def worst_part(instance: Instance, result: Result) -> BriefPart:
    """The worst shock, and the one that leaves most unserved where that is another."""
    worst, money = worst_event(instance, result), result.money
    said = [f"{event_window(instance, worst)}."]
    below = sum(each.below_floor for each in worst.segments.values())
    if worst.gap > 0 or below > 0:
        said.append(f"{si(below, 't')} of demand below survival floors, a survival gap of {si(worst.gap, money)}.")
    if unserved_tonnes(worst) > 0:
        amount = f"{si(unserved_tonnes(worst), 't')} go unserved, {si(unserved_money(instance, worst), money)}"
        said.append(f"In all {amount}.")
        if worst.survives:
            said.append(_hardest_hit(instance, worst))
    else:
        said.append("All demand is served in it.")
    said += _largest_loss(instance, result, worst)
    frame = _floors_frame(instance, result, worst)
    if frame is None:
        return BriefPart("worst", WORST_TITLE, tuple(said))
    count = len(frame.values[0])
    return BriefPart("worst", frame.title, tuple(said), frame, strong=(count - 1,) if count > 1 else ())


def _largest_loss(instance: Instance, result: Result, worst: Outcome) -> Iterator[str]:
    """The shock that leaves most unserved, at shortage cost; nothing where none leaves more than the worst does."""
    most = max(result.shocks, key=lambda each: unserved_money(instance, each))
    if unserved_money(instance, most) > unserved_money(instance, worst):
        amount = f"{si(unserved_tonnes(most), 't')}, {si(unserved_money(instance, most), result.money)}"
        held = ", though floors hold" if most.survives else ""
        yield f"Most unserved by value: {dated(instance, instance.event(most.name))}: {amount}{held}."


def _hardest_hit(instance: Instance, worst: Outcome) -> str:
    """The segment of which most goes unserved, at shortage cost, in a shock in which floors hold."""
    d, service = max(worst.segments.items(), key=lambda item: _value(instance, *item))
    served, floor = in_percent(service.worst_service, service.floor)
    where = f"{served} % served in {service.worst_period} against a floor of {floor} %, held"
    return f"Hardest hit: {display_name(instance, d)}, {where}."


def event_window(instance: Instance, outcome: Outcome) -> str:
    """A shock by its name, its periods, and whether it may fail: ``Full embargo (2028Q1 to 2028Q4)``."""
    event = instance.event(outcome.name)
    title, which = entry_title(instance, event)
    name = title if is_date(instance, which) else dated(instance, event)
    return f"{name} ({windowed(outcome.first, outcome.last)}){', which may fail' if outcome.excused else ''}"


def _floors_frame(instance: Instance, result: Result, worst: Outcome) -> Frame | None:
    """Every segment below its floor in a shock, the largest gap first, and their sum; None where there is none."""
    below = {d: service for d, service in worst.segments.items() if service.first_failure is not None}
    if not below:
        return None
    ordered = sorted(below, key=lambda d: (-below[d].gap, -below[d].below_floor))
    shown, rest = ordered[:MOST_BELOW], ordered[MOST_BELOW:]
    rows: list[tuple[Any, ...]] = [
        (display_name(instance, d), *_served_and_floor(below[d]), below[d].below_floor, below[d].gap) for d in shown
    ]
    for name, some in ((f"and {plural(len(rest), 'more segment')}", rest), ("Together", ordered)):
        if len(some) > (name == "Together"):
            figures = (sum(below[d].below_floor for d in some), sum(below[d].gap for d in some))
            rows.append((name, None, None, *figures))
    columns = (
        *_SERVICE_COLUMNS,
        FrameColumn("below_floor", "Below floor", "t", "amount"),
        FrameColumn("gap", "Survival gap", result.money, "millions"),
    )
    note = "Every segment below its floor in this shock; served: % of demand in its weakest period."
    return Frame.of_rows("worst", WORST_TITLE, columns, rows, note)


def _served_and_floor(service: Service) -> tuple[str, str]:
    served, floor = in_percent(service.worst_service, service.floor)
    mark = "✗" if service.first_failure else "✓"
    return f"{served} %", f"{floor} % {mark}" if service.floor > NEGLIGIBLE else "none"


def _value(instance: Instance, d: str, service: Service) -> float:
    return float(instance.demands[d].shortage_cost * service.shortage)


def unserved_part(instance: Instance, result: Result) -> BriefPart:
    """By segment the shock that leaves most of it below its floor, or where none does, unserved."""
    hardest: dict[str, tuple[Outcome, Service]] = {}
    for outcome in result.shocks:
        for d, service in outcome.segments.items():
            if service.shortage > 0 and (d not in hardest or _hardship(service) > _hardship(hardest[d][1])):
                hardest[d] = outcome, service
    ordered = sorted(hardest, key=lambda d: (-hardest[d][1].gap, -_value(instance, d, hardest[d][1])))
    title, left = "What goes unserved, by segment", len(ordered) - MOST_SEGMENTS
    if not ordered:
        return BriefPart("unserved", title, ("In no shock does any demand go unserved.",))
    rows = [_segment_row(instance, d, *hardest[d]) for d in ordered[:MOST_SEGMENTS]]
    said = (f"Not shown: {plural(left, 'segment')} of which less goes unserved.",) if left > 0 else ()
    columns = (
        *_SERVICE_COLUMNS,
        FrameColumn("shortage", "Unserved", "t", "amount"),
        FrameColumn("shortage_cost", "Value", result.money, "millions"),
        FrameColumn("shock", "In"),
    )
    note = "Each segment in the shock that leaves most of it below its floor or, where floors hold, unserved; served: "
    note += "% of demand in its weakest period."
    return BriefPart("unserved", title, said, Frame.of_rows("unserved", title, columns, rows, note))


def _hardship(service: Service) -> tuple[float, float]:
    """What ranks the shocks of a segment: how much of it is below its floor, t, then how much goes unserved, t."""
    return service.below_floor, service.shortage


def _segment_row(instance: Instance, d: str, outcome: Outcome, service: Service) -> tuple[Any, ...]:
    where = dated(instance, instance.event(outcome.name))
    value = _value(instance, d, service)
    return display_name(instance, d), *_served_and_floor(service), service.shortage, value, where
