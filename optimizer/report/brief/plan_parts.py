"""The data structure of the brief, which all writers draw, and its parts on decisions, money and confidence."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.audit.accounts import EXPECTED_SHOCKS
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, size_notes, spent_years
from optimizer.instance.schema import Instance
from optimizer.report.figures import years
from optimizer.report.format import between, dated_name, list_names, percent, plural
from optimizer.report.provenance import BasisShares, audit_text, basis_of, find_numbers, made_sentence, weighted_basis
from optimizer.report.tables.render import BELOW_ZERO, page_table
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.results.saved import CommittedMoney, list_commitments
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
)
from optimizer.tolerances import NEGLIGIBLE, SHOWN_SHARE
from optimizer.units import si

# Largest number of later orders, and of years with new money, that fit on one page.
MOST_LATER, MOST_YEARS = 6, 10
# What computes missing figures, by the name in the braces of a hint: for the command, and for `write_report` in Python.
WAYS: Mapping[str, tuple[str, str]] = {
    "more_time": ("leave out --quick or --time-limit", "write budgets=None"),
    "bars": ("leave out --quick or --time-limit", "add studies=sensitivity(…)"),
    "longer": ("--time-limit", "time_limit"),
    "one_future": ("--future NAME", "in_future(instance, name)"),
    "alternatives": ("--with alternatives", "studies=alternatives(…)"),
    "futures": ("--with futures", "studies=futures_study(…)"),
    "sensitivity": ("--with sensitivity", "studies=sensitivity(…)"),
}
# Heads and text for orders a year later.
IF_LATE, LATE_EFFECT, NOT_COMPUTED = "If ordered a year later", "What ordering a year later does", "not computed"
LATE_NOTE = (
    " A year later: of a stockpile all purchases, also those of later years; nothing is bought in its place; the shock "
    "in which that does most damage, at shortage cost. The most damage comes first, and delays do not add up."
)
EXISTING_SUPPORT = "Price support of existing processes"
# The row of money committed without a year.
UNDATED = "undated"
# The head of the dates of orders.
ORDERED = "Ordered at start of"
_MONEY_AND_DATES = "Money: undiscounted outlay. Dates are of this plan; a later order or another option may do as well."


@dataclass(frozen=True)
class BriefPart:
    """One part of the brief."""

    name: str  # key of the part
    title: str  # printed title
    sentences: tuple[str, ...] = ()  # its text
    frame: Frame | None = None  # its table, if any
    missing_hint: str = ""  # how to compute missing figures, with names of `WAYS` in braces; empty if none is missing
    missing_note: str = ""  # the same for paper: which figures are missing, without the hint
    drawn: Frame | None = None  # the drawn rows of the table; None if all are drawn
    bars: str = ""  # the column drawn as a bar in each row
    strong: tuple[int, ...] = ()  # indices of emphasised rows: a sum, or this plan

    @property
    def shown(self) -> Frame | None:
        """The table to draw."""
        return self.drawn or self.frame


@dataclass(frozen=True)
class Brief:
    """The answer, on one page where it fits."""

    instance: Instance = field(repr=False)  # the instance, for printed names
    # Title of the instance; its years and currency.
    title: str
    about: str
    survives: bool  # whether every floor holds in every shock that counts
    # The answer in a few words, and in a sentence.
    verdict: str
    sentence: str
    parts: tuple[BriefPart, ...]  # parts in reading order
    warnings: tuple[str, ...] = ()  # warnings at the head
    notes: tuple[str, ...] = ()  # notes beside the answer: existing shortages, and limits of the answer
    is_of_python: bool = False  # whether hints name arguments of `write_report`, not options of the command

    def to_dict(self) -> dict[str, Any]:
        """Return the brief for JSON and writers: each table has texts (`table`), values by column, and bars."""
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
            "missing": part.missing_hint.format_map({key: way[self.is_of_python] for key, way in WAYS.items()}),
            # The key of the first version; `Result.lacks`, baseline shortages, is something else.
            "lacks": part.missing_note,
            "table": None if part.shown is None else page_table(self.instance, part.shown),
            "values": [] if part.frame is None else [dict(row) for row in part.frame.rows()],
            "bars": _bars(part),
            "strong": list(part.strong),
        }


def _bars(part: BriefPart) -> list[float]:
    """Return the length of each row's bar as a share of the longest; empty if the part has no bars."""
    if part.shown is None or not part.bars:
        return []
    amounts = [float(amount or 0.0) for amount in part.shown[part.bars]]
    longest = max(amounts) or 1.0
    return [amount / longest for amount in amounts]


def on_line_words(when: str, *, is_stock: bool) -> str:
    """Return when an order is on line; for a stockpile, until when it is bought."""
    return f"bought until {when}" if is_stock else when


def missing_words(what: str, *, is_stopped: bool) -> tuple[str, str]:
    """Return the hint on what is missing, and the words for paper; `what` is a subject with its verb."""
    if is_stopped:
        note = f"{what} not known: the search was stopped."
        return f"{note} {{longer}} gives it more time.", note
    return f"{what} not computed: {{more_time}}.", f"{what} not computed."


def orders_part(instance: Instance, result: Result, delays: Sequence[Delay] | None) -> BriefPart:
    """Return the part with the decisions of the first year, and the effect of a delay by a year.

    `delays` is None if they were left out, and empty if the search for them was stopped before the first.
    """
    year = first_year(instance, result)
    orders, title = orders_of(instance, result, year), f"Decisions of {year}"
    if not orders:
        return BriefPart("orders", title, ("Nothing is bought.",))
    found = {delay.options: delay for delay in delays or ()}
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
    note = amounts_note(instance, result.plan.bought) + _orders_note(instance, result, year)
    note += LATE_NOTE if delays else ""
    frame = Frame.of_rows("orders", title, columns, rows, note).without_empty("sampled", "slip")
    strong = (due - 1,) if len(orders) > 1 else ()
    missing_hint, missing_note = ("", "") if delays else _missing_delays(result, is_stopped=delays is not None)
    return BriefPart("orders", title, (), frame, missing_hint, strong=strong, missing_note=missing_note)


def _missing_delays(result: Result, *, is_stopped: bool) -> tuple[str, str]:
    """Return `missing_words` of the effect of a delay."""
    if result.adversary is not None:
        return "", f"{LATE_EFFECT} is not computed for a plan that was made against an adversary."
    return missing_words(f"{LATE_EFFECT} is", is_stopped=is_stopped)


def amounts_note(instance: Instance, options: Iterable[str]) -> str:
    """Return what money, dates and amounts of orders of some options are."""
    shown = list(options)
    note = " ".join([_MONEY_AND_DATES, *size_notes(instance, shown)])
    if any(instance.stocks[o].loss for o in shown if o in instance.stocks):
        note += " Of a stockpile: all purchases, also those that replace yearly losses."
    return note


def _orders_note(instance: Instance, result: Result, year: int) -> str:
    """Return which decisions of the year are required, or right only for some numbers."""
    note = ""
    if result.bands is not None:
        of_what = f"of {plural(result.bands.used, 'sample')} of all numbers in their ranges"
        note += f" In best plans: the share {of_what} in which the best plan has it; an order with a low share is "
        note += "right only for some values of the numbers."
    forced = [display_name(instance, o) for o, sizes in instance.policy.force.items() if sizes.get(year, 0.0) > 0]
    note += f" Required in {year}, in this size (policy.force): {list_names(forced)}." if forced else ""
    return note


def _order_rows(
    instance: Instance, result: Result, orders: Sequence[Order], delays: Mapping[tuple[str, ...], Delay]
) -> Iterator[tuple[Any, ...]]:
    """Yield rows of the largest orders, by the damage of their delay, then of the others, and of all together."""
    shown, rest = orders[:MOST_ORDERS], orders[MOST_ORDERS:]
    for order in sorted(shown, key=lambda order: damage_of(delays.get((order.option,))), reverse=True):
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
    """Return the effect of a delay of the given orders; None if no delay was examined."""
    delay = delays.get(options)
    return delay_text(instance, result, delay) if delay else NOT_COMPUTED if delays else None


def damage_of(delay: Delay | None) -> tuple[float, float, int]:
    """Return the sort key of a delay: growth of the gap, growth of unserved demand (money), number of rules broken."""
    return (0.0, 0.0, 0) if delay is None else (delay.gap, delay.shortage_cost, len(delay.broken_rules))


def _later_rows(result: Result, later: Sequence[Purchase]) -> Iterator[tuple[Any, ...]]:
    """Yield rows of the decisions of later years, the largest outlay first."""
    ordered = sorted(later, key=lambda move: -move.outlay)
    shown = len(ordered) if len(ordered) <= MOST_LATER else MOST_LATER - 1
    for move in ordered[:shown]:
        on_line = on_line_words(move.on_line, is_stock=bool(move.fills))
        share = _share_of_samples(result, move.option)
        yield f"Later: {move.name}, {move.size_words}", None, move.outlay, move.decided, on_line, share, None
    rest = ordered[shown:]
    if rest:
        spent = math.fsum(move.outlay for move in rest)
        yield f"and {plural(len(rest), 'later decision')}", None, spent, None, None, None, None


def _support_rows(instance: Instance, result: Result, year: int) -> Iterator[tuple[Any, ...]]:
    """Yield a row with the rest of the outlay: support of existing processes in a year and in all years."""
    if paid := support_of_existing(instance, result):
        yield EXISTING_SUPPORT, paid.get(year), math.fsum(paid.values()), None, None, None, None


def _share_of_samples(result: Result, option: str) -> float | None:
    """Return the share of samples of the uncertain numbers whose best plan buys an option; None without samples."""
    return None if result.bands is None else result.bands.bought.get(option, 0.0)


def order_sums(orders: Sequence[Order]) -> tuple[float, float]:
    """Return the outlay of orders that counts against the budget, in their year and in all years."""
    return math.fsum(order.money for order in orders), math.fsum(order.total for order in orders)


def delay_text(instance: Instance, result: Result, delay: Delay) -> str:
    """Return the effect of a delay: largest growth of a gap or shortage, shocks that fail only now, broken rules."""
    text = _shortage_text(instance, result, delay)
    if not delay.broken_rules:
        return text
    first, *others = delay.broken_rules
    option = first.where.partition(".")[0]
    subject = display_name(instance, option) if option in instance.options else first.where
    which = f"{subject}: {first.what}{f'; and {len(others)} more' if others else ''}"
    return f"{text}; it breaks {plural(len(delay.broken_rules), 'rule')} of the file ({which})"


def _shortage_text(instance: Instance, result: Result, delay: Delay) -> str:
    is_told = delay.shock is None or delay.cost > 0  # what is saved by leaving more unserved is no advantage
    is_told &= abs(delay.cost) > SHOWN_SHARE * (result.outlay or abs(result.total_cost))
    more = f"; the plan costs {si(abs(delay.cost), result.money)} {'more' if delay.cost > 0 else 'less'}" * is_told
    if delay.shock is None:
        return f"nothing more goes unserved{more}"
    where = f" in {dated_name(instance, instance.event(delay.shock))}"
    if delay.gap > NEGLIGIBLE * max(1.0, delay.shortage_cost):
        text = f"{si(delay.below_floor, 't')} more below floors, survival gap +{si(delay.gap, result.money)}{where}"
    else:
        text = f"{si(delay.shortage, 't')} more unserved above floors, {si(delay.shortage_cost, result.money)}{where}"
    if delay.failed:
        fail = "fails" if len(delay.failed) == 1 else "fail"
        text += f"; {plural(len(delay.failed), 'shock')} that the plan survives then {fail}"
    return text + more


def money_part(instance: Instance, result: Result) -> BriefPart:
    """Return the part with new money by calendar year, and the money already committed by others."""
    commitments, budget = list_commitments(result.data), instance.policy.budget
    new = new_money_word(commitments)
    columns = [
        FrameColumn("year", form="word", is_index=True),
        FrameColumn("new", new, result.money, "millions"),
        FrameColumn("committed", "Committed", result.money, "millions"),
    ]
    spending = years_with_money([result.outlays], commitments)
    rows: list[tuple[Any, ...]] = [(year, spent[0] or None, committed) for year, spent, committed in spending]
    of_budget = "" if budget is None else f", of a budget of {si(budget, result.money)}"
    said = f"{new}: {si(result.outlay, result.money)} in all, undiscounted{of_budget}."
    if (annual := instance.policy.annual_budget) is not None:
        limits = [annual.at(year) for year in instance.horizon.years]
        full = list_names(spent_years(instance, result))
        said += f" Each year has a budget of its own, {between(min(limits), max(limits), result.money)}"
        said += f", used up in {full}." if full else "."
    sentences = (said, *committed_sentence(commitments, result.money), *_price_sentences(result))
    return new_money_part(columns, rows, sentences)


def new_money_word(commitments: Sequence[CommittedMoney]) -> str:
    """Return the name of the plan's outlay: "new" money if others have committed money as well."""
    return "New" if commitments else "Outlay"


def new_money_part(
    columns: Sequence[FrameColumn], rows: Sequence[tuple[Any, ...]], sentences: tuple[str, ...]
) -> BriefPart:
    """Return the part with money by year; the last column is money committed by others, left out if there is none.

    The years with new money are drawn as bars. Earlier years share one row, and so do later years if there are too
    many.
    """
    title, at = "Money by year", [each.name for each in columns].index("new")
    if all(row[-1] is None for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    frame = Frame.of_rows("money", title, columns, rows)
    first = next((i for i, row in enumerate(rows) if row[at]), None)
    drawn = [*([_together(rows[:first])] if first else []), *_with_later_years(rows[first:])]
    bars = "" if first is None else "new"
    return BriefPart("money", title, sentences, frame, bars=bars, drawn=Frame.of_rows("money", title, columns, drawn))


def _with_later_years(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows of the first years, and one row for all later ones if there are too many."""
    dated = [row for row in rows if row[0] != UNDATED]
    if len(dated) <= MOST_YEARS:
        return list(rows)
    shown, rest = dated[: MOST_YEARS - 1], dated[MOST_YEARS - 1 :]
    return [*shown, (f"and {plural(len(rest), 'later year')}", *_together(rest)[1:]), *rows[len(dated) :]]


def _together(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return one row for several years, with the sum of the known amounts."""
    sums = ([amount for amount in column if amount is not None] for column in list(zip(*rows, strict=True))[1:])
    return windowed(rows[0][0], rows[-1][0]), *(math.fsum(known) if known else None for known in sums)


def years_with_money(
    outlays: Sequence[Mapping[str, float]], commitments: Sequence[CommittedMoney]
) -> Iterator[tuple[str, list[float], float | None]]:
    """Yield the years in which money is spent or committed, with the outlay of every plan and the committed money.

    Money committed without a year comes last.
    """
    committed: dict[int | None, float] = {}
    for each in commitments:
        committed[each.year] = committed.get(each.year, 0.0) + each.amount
    spent = sorted({int(year) for each in outlays for year in each if each[year] > 0})
    # Every year between the first and the last one with new money is named, also those without any.
    for year in sorted({*(range(spent[0], spent[-1] + 1) if spent else ()), *filter(None, committed)}):
        yield str(year), [each.get(str(year), 0.0) for each in outlays], committed.get(year)
    if None in committed:
        yield UNDATED, [0.0 for _ in outlays], committed[None]


def committed_sentence(commitments: Sequence[CommittedMoney], money: str) -> Iterator[str]:
    """Yield a sentence on money already committed by others; nothing without any."""
    if commitments:
        total = math.fsum(each.amount for each in commitments)
        conditional = math.fsum(each.amount for each in commitments if each.conditional)
        of_which = f", of which {si(conditional)} on conditions still to be met" if conditional > 0 else ""
        yield f"Committed already, as announced, by any party, in no cost here: {si(total, money)}{of_which}."


# Parts of the cost with a longer name in sentences.
_PARTS = {"baseline shortage": "demand unserved without a shock, at shortage cost"}


def _price_sentences(result: Result) -> Iterator[str]:
    """Yield sentences on the parts of the cost beyond the no-shock plan; nothing if they are unknown."""
    *steps, whole = years.beyond(result) or (None,)
    if whole is not None and steps:
        # Parts have the last digit of the whole, which has three digits, so that they add up for a reader.
        power = [math.floor(math.log10(abs(step.amount) or 1.0)) for step in (whole, *steps)]
        digits = [max(2, 3 + own - power[0]) for own in power[1:]]
        parts = zip(steps, digits, strict=True)
        said = ", ".join(
            f"{_PARTS.get(step.part, step.part)} {si(step.amount, result.money, number)}" for step, number in parts
        )
        name = "price of survival" if result.survives else "price of the plan"
        terms = f"{si(whole.amount, result.money)} in present value, by part, each less that of the no-shock plan"
        yield f"The {name}, {terms}: {said}."
        yield from _why_below_zero(steps)


def _why_below_zero(steps: Sequence[years.CostStep]) -> Iterator[str]:
    """Yield a sentence on an expected cost of shocks below zero; nothing for another."""
    if any(step.part == EXPECTED_SHOCKS and step.amount < 0 for step in steps):
        yield BELOW_ZERO


def _basis_row(name: str, basis: BasisShares) -> tuple[Any, ...]:
    return name, basis.source, basis.derived, basis.assumption, basis.unexplained, basis.ranged


def confidence_part(
    result: Result | FuturesResult, comments: Sequence[Mapping[str, Any]], proof: str, spent: Mapping[str, float]
) -> BriefPart:
    """Return the part on the proof, the audit, and the sources of the numbers.

    `proof` is what is proven of the cost, as the end of a sentence; `spent` is the money spent on each option.
    """
    title = "How sure this is"
    checked = "The arithmetic is not checked"
    if result.audit.get("rows"):
        checked = f"The arithmetic is checked: {audit_text(result.audit)}"
    said = (*_range_sentence(result), f"{checked}; {proof}.", made_sentence(result))
    numbers = find_numbers(result.data, comments)
    if not comments:
        missing = "Sources: the plan holds no comments of its file"
        hint = f"{missing}; name it by --instance, in Python by instance_file."
        return BriefPart("confidence", title, said, None, hint, missing_note=f"{missing}.")
    basis = basis_of(numbers)
    shares = f"The file gives a source for {percent(basis.source)} of its {len(numbers):,} numbers; "
    shares += f"{percent(basis.assumption)} are said to be assumptions, {percent(basis.derived)} have another remark, "
    shares += "such as how they follow from other numbers"
    shares += f"; for {percent(basis.unexplained)} nothing is written." if basis.unexplained > 0 else "."
    said = (shares, *said)
    rows = [_basis_row(f"All {len(numbers):,} numbers of the file", basis)]
    if any(amount > 0 for amount in spent.values()):
        bought = weighted_basis(numbers, spent)
        rows.append(_basis_row(f"The {bought.numbers:,} numbers of what is bought, weighted by its outlay", bought))
    columns = (
        FrameColumn("of", "Rests on", is_index=True),
        FrameColumn("source", "a source", "share", "percent"),
        FrameColumn("derived", "a remark", "share", "percent"),
        FrameColumn("assumption", "assumed", "share", "percent"),
        FrameColumn("unexplained", "nothing written", "share", "percent"),
        FrameColumn("ranged", "has a range", "share", "percent"),
    )
    note = (
        "Shares are rounded. A source is a field named source, an address or a grade such as (USGS 2026, A), beside "
        "the number or at the table of the file that its comment names; any other comment is a remark. A number that "
        "cites a source and assumes something as well counts as an assumption. Each year of a series is a number here; "
        "an uncertain number is a whole series, or all that shares a draw."
    )
    return BriefPart("confidence", title, said, Frame.of_rows("confidence", title, columns, rows, note))


def _range_sentence(result: Result | FuturesResult) -> Iterator[str]:
    """Yield a sentence on the figures of the best plan over samples of all uncertain numbers, if there are samples."""
    if isinstance(result, Result) and (bands := result.bands) is not None:
        own = result.total_cost, result.outlay, result.survival_gap
        parts = [
            f"{label} {si(spread.p5)} to {si(spread.p95, result.money)}, median {si(spread.p50)} ({si(value)})"
            for (label, spread), value in zip(bands.figures, own, strict=True)
        ]
        said = "With all numbers anywhere in their ranges the best plans come to (5 % to 95 % of samples, this plan in "
        said += f"brackets): {'; '.join(parts)}."
        yield " ".join([said, *(f"{word[:1].upper()}{word[1:]}." for word in bands.outside(own))])
