"""How the value of deciding later and of knowing earlier looks: the answer first, then questions, plans and orders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import display_name, size_text
from optimizer.report.format import DASH, list_names, percent, plural
from optimizer.report.tables.plan import answer_panel
from optimizer.report.tables.render import cross_table, stop_note
from optimizer.studies.futures.study_result import FollowedPlan, MeasuredCost, OwnOrder, QuestionTiming
from optimizer.studies.measure import ProvenDifference
from optimizer.units import si, si_down, si_up

if TYPE_CHECKING:
    from optimizer.studies.futures.study_result import FuturesStudy

# Digits of costs and of their differences.
DIGITS, FINE_DIGITS = 3, 4
# A table of the width of the screen, most of it for labels.
WIDE: dict[str, Any] = {"labels": {"ratio": 1, "min_width": 12, "overflow": "fold"}, "expand": True}
# Columns of the screen that a future needs in the regret table, beside its labels.
WIDTH_OF_FUTURE, WIDTH_OF_LABELS = 12, 28
# What a caption says of gaps.
PRICED, FAILING = "Gaps count at their price.", "✗ floors fail."
LARGER_GAP = "✗ it leaves a larger gap than the future's own plan."


def futures_study_tables(found: FuturesStudy, width: int) -> Iterator[RenderableType | None]:
    """What is printed, in order, for a terminal so wide."""
    yield _answer(found)
    if found.questions:
        yield _questions(found)
    if found.followed:
        yield _regret_summary(found)
        if WIDTH_OF_LABELS + WIDTH_OF_FUTURE * len(found.alone) <= width:
            yield _regret_matrix(found)
    if found.orders:
        yield _orders(found)
    if found.stopped:
        yield stop_note()
    yield from (Text(f"Note: {note}") for note in found.notes)
    yield Text(f"Seconds: {si(found.seconds, 's')}.", style="dim")


# Figures that are known between two bounds.


def band_text(low: float, high: float, money: str, digits: int = DIGITS) -> str:
    """An amount that is known between bounds: one figure where both read alike, never less than what is proven."""
    if not math.isfinite(low):
        return f"at most {si_up(high, money, digits)}"
    if not math.isfinite(high):
        return f"at least {si_down(low, money, digits)}"
    if si(low, "", digits) == si(high, "", digits):
        return si(high, money, digits)
    if low <= 0:
        return f"at most {si_up(high, money, digits)}"
    return f"{si_down(low, '', digits)} to {si_up(high, money, digits)}"


def _difference(band: ProvenDifference, money: str, reference: float) -> str:
    """A value; one that is nothing beside the amounts that are compared is 0."""
    if band.high <= 10.0 ** (-FINE_DIGITS) * abs(reference):
        return f"0 {money}".rstrip()
    return band_text(band.low, band.high, money)


# The answer.


def _answer(found: FuturesStudy) -> RenderableType:
    adaptive = found.costs.get("adaptive")
    style = "green" if adaptive and adaptive.survives and not found.stopped else "yellow" if adaptive else "red"
    return answer_panel(found.instance.title, worth_headline(found), list(worth_facts(found)), style)


def worth_headline(found: FuturesStudy) -> str:
    """What deciding later and knowing earlier are worth; why that is not known."""
    if found.costs.get("adaptive") is None:
        why = "the search was stopped before it had one" if found.stopped else "its rules contradict each other"
        return f"There is no plan for all futures: {why}"
    flexible, informed = (_worth(found, name) for name in ("flexibility", "information"))
    if flexible is None and informed is None:
        return "What deciding later and knowing earlier are worth is not known"
    parts = [f"Deciding later what can wait is worth {flexible}"] if flexible else []
    if informed:
        parts.append(f"{'knowing' if parts else 'Knowing'} every answer at the start {informed}")
        parts[-1] = parts[-1] if len(parts) > 1 else parts[-1].replace("start ", "start is worth ")
    return "; ".join(parts)


def worth_text(found: FuturesStudy, name: str) -> str:
    """The value of ``flexibility`` or ``information``; why there is none where it is not known."""
    other = {"flexibility": "static", "information": "perfect"}[name]
    return _worth(found, name) or _unknown(found.costs.get(other))


def _unknown(value: MeasuredCost | None) -> str:
    return "? stopped" if value is None or value.status == "stopped" else "✗"


def _worth(found: FuturesStudy, name: str) -> str | None:
    band = getattr(found, name)
    return None if band is None else _difference(band, found.instance.money, found.costs["adaptive"].cost)


def worth_facts(found: FuturesStudy) -> Iterator[tuple[str, str]]:
    """What each kind of plan costs, and which orders do not depend on the future; nothing where there is no plan."""
    adaptive = found.costs.get("adaptive")
    if adaptive is None:
        return
    yield "Adaptive (RP)", _kind(found, adaptive, "each decision knows the answers until then")
    yield "Static (ST)", _kind(found, found.costs.get("static"), "one plan, the same in all futures")
    yield "Informed (WS)", _kind(found, found.costs.get("perfect"), "every answer known from the start")
    of_static = "the static plan costs that much more than the adaptive one"
    of_perfect = "the adaptive plan costs that much more than one that knows every answer"
    yield "Flexibility", _value(found, "flexibility", "static", of_static)
    yield "Information", _value(found, "information", "perfect", of_perfect)
    yield from order_facts(found)
    if not found.adaptive.are_probabilities_given:
        yield "Probabilities", "made up: where the file gives none, all branches of a question are equally likely"


def _kind(found: FuturesStudy, value: MeasuredCost | None, meaning: str) -> str:
    money = found.instance.money
    if value is None or (value.status == "stopped" and not math.isfinite(value.cost)):
        return f"not known: the search was stopped ({meaning})"
    if not math.isfinite(value.cost):
        return f"no such plan obeys the rules ({meaning})"
    if not value.is_comparable:
        return f"FAILS: an expected survival gap of {si(value.gap, money)} ({meaning})"
    cost = band_text(value.bound, value.cost, money, FINE_DIGITS)
    if value.survives:
        return f"{found.measure} {cost} ({meaning})"
    return f"{found.measure_with_gaps} {cost}; FAILS: an expected survival gap of {si(value.gap, money)} ({meaning})"


def _value(found: FuturesStudy, name: str, other: str, meaning: str) -> str:
    worth = _worth(found, name)
    if worth is not None:
        return f"{worth}: {meaning}"
    if found.costs.get(other) is None or found.costs[other].status == "stopped":
        return "not known: the search was stopped"
    return "left out, as one of the two plans leaves a survival gap or does not exist"


def order_facts(found: FuturesStudy) -> Iterator[tuple[str, str]]:
    """Orders of the informed plans, one for each future, by what they depend on."""
    if found.orders is None:
        yield "No regret", "not known: the search was stopped"
        return
    first, urgent = found.adaptive.first_question, [each for each in found.orders if each.is_urgent]
    safe = [f"{_name(found, each)}, {_size(found, each, each.common)}" for each in urgent if each.hangs == "no regret"]
    in_all = f"{list_names(safe, 6)}: in" if safe else f"no order before {first} is in"
    yield "No regret", f"{in_all} the informed plans of all futures"
    hanging = [_hanging(found, each) for each in urgent if each.hangs != "no regret"]
    if hanging:
        yield (
            "Contingent",
            f"{list_names(hanging, 6)}: ordered before {first} in the informed plans of some futures only",
        )


def _hanging(found: FuturesStudy, order: OwnOrder) -> str:
    on = f"{order.questions[0]}: {list_names(order.branches)}" if order.hangs == "one answer" else "several answers"
    return f"{_name(found, order)} ({on})"


def _name(found: FuturesStudy, order: OwnOrder) -> str:
    return display_name(found.instance, order.option)


def _size(found: FuturesStudy, order: OwnOrder, size: float) -> str:
    return size_text(found.instance, order.option, size)


# Each question.


def _questions(found: FuturesStudy) -> Table:
    """A row for each question: what knowing it earlier is worth, and what knowing it later costs."""
    rows = dict[tuple[str, str], dict[str, QuestionTiming]]()
    for each in found.questions:
        rows.setdefault((each.question, each.asked), {})[each.timing] = each
    heads = ["Answer\nin", "At the start\nsaves", "Year earlier\nsaves", "Year later\ncosts", "Never\ncosts"]
    kinds = ("start", "earlier", "later", "never")
    return cross_table(
        f"Each question at another date, {found.instance.money}",
        "Question",
        heads,
        [
            (Text(question), [asked, *(_at_another_date(found, row.get(kind)) for kind in kinds)])
            for (question, asked), row in rows.items()
        ],
        caption="A question that arises from another one is answered with it at the earliest. "
        f"{DASH} no such date, or as at the start. {PRICED if found.has_priced_gaps else FAILING}",
        **WIDE,
    )


def _at_another_date(found: FuturesStudy, timing: QuestionTiming | None) -> str:
    if timing is None:
        return DASH
    if timing.difference is None:
        return _unknown(timing.value)[0]
    return _difference(timing.difference, "", found.costs["adaptive"].cost)


def timing_text(found: FuturesStudy, timing: QuestionTiming) -> str:
    """What another date of an answer is worth or costs; why that is not known otherwise."""
    if timing.difference is None:
        return _unknown(timing.value)
    return _difference(timing.difference, found.instance.money, found.costs["adaptive"].cost)


# The regret table.


def _regret_summary(found: FuturesStudy) -> Table:
    """A row for the plan of each future: in how many it survives, and what it costs over all."""
    money, priced = found.instance.money, found.has_priced_gaps
    rows = []
    for number, future in enumerate(found.instance.tree.futures):
        some = [each for each in found.followed if each.plan == future.name]
        if some:
            rows.append((Text(future.name), [percent(future.probability), *_followed(found, some, number)]))
    return cross_table(
        "The plan of each future alone, followed unchanged in every future",
        "Plan of",
        [
            "Prob.",
            f"Own cost\n{money}",
            "Survives\nfutures",
            f"Largest\nregret, {money}",
            f"Largest\ngap, {money}",
            "Rules",
        ],
        rows,
        caption="Regret: what the plan costs more than the own plan of the future in which it is followed; "
        f"{'all costs are with gaps at their price' if priced else 'where it leaves a larger gap there is none'}. "
        "Rules of other futures that it breaks are counted, not enforced.",
        **WIDE,
    )


def _followed(found: FuturesStudy, some: Sequence[FollowedPlan], number: int) -> list[str]:
    own = found.alone[number]
    regret, gap = (max((value for value in values if value is not None), default=None) for values in _columns(some))
    broken = sum(len(each.broken_rules) for each in some)
    return [
        DASH if own is None else si(own.priced_cost, digits=FINE_DIGITS),
        f"{sum(each.survives for each in some)} of {len(found.alone)}",
        DASH if regret is None else si(regret),
        si(gap) if gap else DASH,
        str(broken or DASH),
    ]


def _columns(some: Sequence[FollowedPlan]) -> tuple[list[float | None], list[float | None]]:
    """Regrets and gaps."""
    return [each.regret for each in some], [each.gap for each in some]


def _regret_matrix(found: FuturesStudy) -> Table:
    rows = {(each.plan, each.future): each for each in found.followed}
    names = [each.name for each in found.instance.tree.futures]
    return cross_table(
        f"Regret of each plan in each future, {found.instance.money}",
        "Plan of",
        names,
        [(Text(plan), [_regret(rows.get((plan, future))) for future in names]) for plan in names],
        caption=f"{PRICED if found.has_priced_gaps else LARGER_GAP} * it breaks a rule of that future.",
        **WIDE,
    )


def _regret(row: FollowedPlan | None) -> str:
    if row is None:
        return "?"
    mark = "*" if row.broken_rules else ""
    if row.cost is None:
        return f"impossible{mark}"
    if row.regret is None:
        return f"✗{mark}"
    return f"{si(max(0.0, row.regret))}{mark}"


# Orders and signposts.


def _orders(found: FuturesStudy) -> Table:
    """Orders of the plans of the futures alone: without regret, hanging, and those that can wait."""
    rows = [
        (Text(_name(found, each)), [_meaning(each), _sizes(found, each), each.first, _signpost(each)])
        for each in found.orders or ()
    ]
    left = {"justify": "left", "overflow": "fold"}
    shared = left | {"ratio": 1}
    return cross_table(
        "Orders in the plans of the futures alone",
        "Option",
        ["Made in", "Size", "Decide\nin", "Open then"],
        rows,
        caption="Size: of an order in all plans the smallest, else from the smallest to the largest. Decide in: the "
        "first date in the plans that have it. Open then: questions on which it depends, and when they are answered.",
        layouts={"Made in": shared, "Open then": shared, "Decide\nin": left},
        **WIDE,
    )


def _meaning(order: OwnOrder) -> str:
    if order.hangs == "no regret":
        return "all futures" if order.is_urgent else "all futures; can wait"
    if order.hangs == "one answer":
        return f"{order.questions[0]}: {list_names(order.branches)}"
    return f"{plural(len(order.futures), 'future')}: {list_names(order.futures, 3)}"


def _sizes(found: FuturesStudy, order: OwnOrder) -> str:
    smallest, largest = (_size(found, order, size) for size in (order.smallest, order.largest))
    if order.hangs == "no regret" or smallest == largest:
        return smallest
    return f"{smallest} to {largest}"


def _signpost(order: OwnOrder) -> str:
    return ", ".join(f"{name} ({period})" for name, period in order.open) or DASH
